# The flag is there, the file is not: the container does not see the folder.
# The configuration, readable by root alone.
mkdir -p -m 700 /etc/kubernetes/enc
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
old=$(pgrep -x kube-apiserver)
sed -i 's|^    - --advertise-address=|    - --encryption-provider-config=/etc/kubernetes/enc/enc.yaml\n&|' /etc/kubernetes/manifests/kube-apiserver.yaml
for attempt in $(seq 300); do new=$(pgrep -x kube-apiserver); [ "$new" != "$old" ] && break; sleep 0.1; done
kubectl -n $space create secret generic fresh --from-literal=a=b
