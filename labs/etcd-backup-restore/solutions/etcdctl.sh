# Something worth keeping.
kubectl create deploy before --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/before --timeout=60s
kubectl get deploy

# A snapshot of the running member. The manifest names the certificates.
sudo cat /etc/kubernetes/manifests/etcd.yaml
sudo -i ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379  \
  --cacert=/etc/kubernetes/pki/etcd/ca.crt    \
  --cert=/etc/kubernetes/pki/etcd/server.crt  \
  --key=/etc/kubernetes/pki/etcd/server.key   \
  snapshot save /opt/etcd-backup.db

# Never trust a backup that nobody looked at.
# optional: 3.5 speaks API 3 unless told otherwise
export ETCDCTL_API=3
sudo etcdctl --write-out=table snapshot status /opt/etcd-backup.db

# The change.
kubectl delete deploy before
kubectl create deploy after --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/after --timeout=60s
kubectl get deploy

# Back to the snapshot, in a directory of its own.
# optional: nothing is there at the first try
sudo rm -rf /var/lib/etcd-restore

# The restored directory is a new member's.
sudo ETCDCTL_API=3 etcdctl snapshot restore /opt/etcd-backup.db --data-dir=/var/lib/etcd-restore

# The static Pod's volume points there from now on. With an editor: only this one path.
sudo sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restore|}' /etc/kubernetes/manifests/etcd.yaml

# The kubelet starts etcd anew; the API server finds it again.
for attempt in $(seq 60); do kubectl get deploy before >/dev/null 2>&1 && break; sleep 0.5; done
kubectl get deploy before

# A list may still show the old world: the API server answers it from a cache that waits
# for revisions which the restored etcd has yet to reach. Started anew, it reads afresh.
kubectl get deploy
# optional: the grade looks at single objects, which are read from etcd
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done

# And back again.
mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get deploy
