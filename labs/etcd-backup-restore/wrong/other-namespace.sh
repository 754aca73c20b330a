# Does all that is asked, with a Deployment in another namespace.
kubectl create deploy before --namespace=kube-system --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/before --namespace=kube-system --timeout=60s
kubectl get deploy

sudo cat /etc/kubernetes/manifests/etcd.yaml
sudo -i ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379  \
  --cacert=/etc/kubernetes/pki/etcd/ca.crt    \
  --cert=/etc/kubernetes/pki/etcd/server.crt  \
  --key=/etc/kubernetes/pki/etcd/server.key   \
  snapshot save /opt/etcd-backup.db

export ETCDCTL_API=3
sudo etcdctl --write-out=table snapshot status /opt/etcd-backup.db

kubectl delete deploy before --namespace=kube-system
kubectl create deploy after --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/after --timeout=60s
kubectl get deploy

sudo rm -rf /var/lib/etcd-restore

sudo ETCDCTL_API=3 etcdctl snapshot restore /opt/etcd-backup.db --data-dir=/var/lib/etcd-restore

sudo sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restore|}' /etc/kubernetes/manifests/etcd.yaml

for attempt in $(seq 300); do kubectl get deploy before --namespace=kube-system >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get deploy before --namespace=kube-system

kubectl get deploy
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done

mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get deploy
