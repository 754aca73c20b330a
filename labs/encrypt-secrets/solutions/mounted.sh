# The configuration. Who can read the key can read the Secrets.
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
chmod 600 /etc/kubernetes/enc/enc.yaml

# The flag, the mount and the volume. The kubelet starts the Pod anew.
sed -i -e 's|^    - --advertise-address=|    - --encryption-provider-config=/etc/kubernetes/enc/enc.yaml\n&|' \
  -e 's|^    volumeMounts:$|&\n    - mountPath: /etc/kubernetes/enc\n      name: enc\n      readOnly: true|' \
  -e 's|^  volumes:$|&\n  - hostPath:\n      path: /etc/kubernetes/enc\n      type: DirectoryOrCreate\n    name: enc|' \
  /etc/kubernetes/manifests/kube-apiserver.yaml
for attempt in $(seq 300); do pgrep -f '^kube-apiserver .*--encryption-provider-config=' >/dev/null && break; sleep 0.1; done
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done

# A new one, then the old ones.
kubectl -n $space create secret generic fresh --from-literal=a=b
kubectl get secrets --all-namespaces -o json | kubectl replace -f -

# In etcd it is no longer to be read.
ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
  --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key \
  get /registry/secrets/$space/$old --print-value-only | head -c 40 | od -c | head -3
