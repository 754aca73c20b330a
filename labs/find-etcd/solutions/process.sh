# The process itself can't be out of date.
flags() { ssh -n $1 'tr "\0" "\n" < /proc/$(pgrep -x etcd)/cmdline'; }
flag() { flags $2 | sed -n "s|^--$1=||p"; }
etcdctl() { kubectl -n kube-system exec etcd-$(hostname) -- sh -c "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$(flag trusted-ca-file $(hostname)) --cert=$(flag cert-file $(hostname)) --key=$(flag key-file $(hostname)) $*"; }
etcdctl member list

# The leader by its ID.
cat > /root/cluster.txt <<END
endpoints = $(etcdctl member list | cut -d, -f5 | paste -sd' ')
members = $(etcdctl member list | cut -d, -f1 | paste -sd' ')
leader = $(etcdctl endpoint status --cluster | grep ', true, false, ' | cut -d, -f2)
END
cat /root/cluster.txt

# How the member of that node was started. A service has a unit.
cat > /root/member.txt <<END
Deployment: $(ssh -n $where systemctl is-active --quiet etcd && echo systemd || echo 'Pod (static)')
Version: v$(etcdctl endpoint status --cluster | grep "://$(ssh -n $where hostname -i):" | cut -d, -f3 | tr -d ' ')
data-dir = $(flag data-dir $where)/
cert = $(flag cert-file $where)
key = $(flag key-file $where)
ca = $(flag trusted-ca-file $where)
END
scp /root/member.txt $where:/root/member.txt
