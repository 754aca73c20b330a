etcdctl version
sudo apt install etcd-client
etcdctl version
ETCDCTL_API=3 etcdctl version > /root/version.txt
