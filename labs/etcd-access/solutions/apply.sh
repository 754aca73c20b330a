kubectl delete clusterrolebinding $bot-anything
cat > /root/rbac.yaml <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: pod-reader
rules:
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: pod-reader
  namespace: $space
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: pod-reader
subjects:
- kind: ServiceAccount
  name: $bot
  namespace: $space
END
kubectl apply -f /root/rbac.yaml
sed -i -e 's|--client-cert-auth=false|--client-cert-auth=true|; s|^    - --snapshot-count=10000|&\n    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do pgrep -f '^etcd .*--client-cert-auth=true' >/dev/null && break; sleep 0.1; done
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
