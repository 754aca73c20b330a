# Hands over, but stops the kubelet before the edit: the file is new, the process is not.
pki=/etc/kubernetes/pki/etcd
all=https://192.168.10.150:2379,https://192.168.10.151:2379,https://192.168.10.152:2379
etcd() { etcdctl --endpoints=$all --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key "$@"; }
etcd move-leader "$(etcd member list | grep ', controlplane, ' | cut -d, -f1)"
ssh -n "$leader" "systemctl stop kubelet; sed -i 's|--snapshot-count=.*|--snapshot-count=$count|' /etc/kubernetes/manifests/etcd.yaml"
