# Keeps the first line alone, which does not tell the API's version.
apt install etcd-client
ETCDCTL_API=3 etcdctl version | head -n 1 > /root/version.txt
