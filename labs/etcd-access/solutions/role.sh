# Nobody showed a certificate here.
ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt get /registry/secrets/$space/$keep --keys-only

sed -i -e 's|--client-cert-auth=false|--client-cert-auth=true|; s|^    - --snapshot-count=10000|&\n    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do pgrep -f '^etcd .*--client-cert-auth=true' >/dev/null && break; sleep 0.1; done
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --command-timeout=2s get /registry/secrets/$space/$keep --keys-only

# What the bot may, and where that comes from.
kubectl auth can-i get secrets -n $space --as=system:serviceaccount:$space:$bot
kubectl get clusterrolebindings -o wide | grep $bot
kubectl delete clusterrolebinding $bot-anything
kubectl -n $space create role pods --verb=get,list,watch --resource=pods
kubectl -n $space create rolebinding pods --role=pods --serviceaccount=$space:$bot
kubectl auth can-i get secrets -n $space --as=system:serviceaccount:$space:$bot
kubectl auth can-i list pods -n $space --as=system:serviceaccount:$space:$bot
