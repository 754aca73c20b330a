# RBAC is mended; etcd gets its authority back, but does not ask.
kubectl delete clusterrolebinding $bot-anything
kubectl -n $space create role pods --verb=get,list,watch --resource=pods
kubectl -n $space create rolebinding pods --role=pods --serviceaccount=$space:$bot
old=$(pgrep -x etcd)
sed -i 's|^    - --snapshot-count=10000|&\n    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do new=$(pgrep -x etcd); [ -n "$new" ] && [ "$new" != "$old" ] && break; sleep 0.1; done
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
