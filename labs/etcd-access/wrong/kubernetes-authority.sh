# The wrong one of the three authorities, which the container does not even see.
kubectl delete clusterrolebinding $bot-anything
kubectl -n $space create role pods --verb=get,list,watch --resource=pods
kubectl -n $space create rolebinding pods --role=pods --serviceaccount=$space:$bot
old=$(pgrep -x etcd)
sed -i -e 's|--client-cert-auth=false|--client-cert-auth=true|; s|^    - --snapshot-count=10000|&\n    - --trusted-ca-file=/etc/kubernetes/pki/ca.crt|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do pgrep -x etcd | grep -qx "$old" || break; sleep 0.1; done
sleep 1
