# The release, and its programs in the path.
wget https://github.com/etcd-io/etcd/releases/download/v3.5.16/etcd-v3.5.16-linux-amd64.tar.gz
tar xvf etcd-v3.5.16-linux-amd64.tar.gz
sudo mv etcd-v3.5.16-linux-amd64/etcdctl etcd-v3.5.16-linux-amd64/etcdutl /usr/local/bin/
etcdctl version | tee /root/version.txt
