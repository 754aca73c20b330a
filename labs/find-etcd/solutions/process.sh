# The process itself can't be out of date.
tr '\0' '\n' < /proc/$(pgrep -x etcd)/cmdline > /root/flags
flag() { sed -n "s|^--$1=||p" /root/flags; }
etcdctl() { kubectl -n kube-system exec etcd-controlplane -- sh -c "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$(flag trusted-ca-file) --cert=$(flag cert-file) --key=$(flag key-file) $*"; }
etcdctl member list

# The answers, from what is there.
cat > /root/etcd.txt <<END
Deployment: Pod (static)
Version: v$(etcdctl endpoint status | cut -d, -f3 | tr -d ' ')
data-dir = $(flag data-dir)/
cert = $(flag cert-file)
key = $(flag key-file)
ca = $(flag trusted-ca-file)
endpoints = $(flag advertise-client-urls)
members = $(etcdctl member list | cut -d, -f1)
leader = $(flag name)
END
cat /root/etcd.txt
