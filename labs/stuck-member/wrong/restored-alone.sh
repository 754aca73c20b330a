# Restores the snapshot once more on that node, as a cluster of its own.
echo "$stuck" > /root/stuck.txt
ssh -n "$stuck" etcdctl snapshot restore /opt/yesterday.db --data-dir /var/lib/etcd-again
ssh -n "$stuck" "sed -i '/hostPath/{n;s|path: $dir\$|path: /var/lib/etcd-again|;s|path: /var/lib/etcd\$|path: /var/lib/etcd-again|}' /etc/kubernetes/manifests/etcd.yaml"
ssh -n "$stuck" systemctl start kubelet
for attempt in $(seq 100); do
  [ "$(ssh -n "$stuck" ls /var/lib/etcd-again/member/snap/db 2>/dev/null)" ] && break
  sleep 0.1
done
sleep 3
