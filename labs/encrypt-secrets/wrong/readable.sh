# Leaves the key to be read by everybody on the node.
mkdir -p /etc/kubernetes/enc
cat > /etc/kubernetes/enc/enc.yaml <<END
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - secrets
    providers:
      - aescbc:
          keys:
            - name: $key
              secret: $(head -c 32 /dev/urandom | base64)
      - identity: {}
END
chmod 644 /etc/kubernetes/enc/enc.yaml
# The flag, the mount and the volume. The kubelet starts the Pod anew.
old=$(pgrep -x kube-apiserver)
sed -e 's|^    - --advertise-address=|    - --encryption-provider-config=/etc/kubernetes/enc/enc.yaml\n&|' \
  -e 's|^    volumeMounts:$|&\n    - mountPath: /etc/kubernetes/enc\n      name: enc\n      readOnly: true|' \
  -e 's|^  volumes:$|&\n  - hostPath:\n      path: /etc/kubernetes/enc\n      type: DirectoryOrCreate\n    name: enc|' \
  /etc/kubernetes/manifests/kube-apiserver.yaml > /root/kube-apiserver.yaml
cp /root/kube-apiserver.yaml /etc/kubernetes/manifests/kube-apiserver.yaml
for attempt in $(seq 300); do new=$(pgrep -x kube-apiserver); [ -n "$new" ] && [ "$new" != "$old" ] && break; sleep 0.1; done
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl -n $space create secret generic fresh --from-literal=a=b
kubectl get secrets --all-namespaces -o json | kubectl replace -f -
