# $1: the key
etcdctl() { /usr/local/lib/kubedrill/kubedrill etcdctl "$@"; }
pki=/etc/kubernetes/pki/etcd
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=$pki/ca.crt ETCDCTL_CERT=$pki/server.crt ETCDCTL_KEY=$pki/server.key
deadline=$((SECONDS + 45))
until etcdctl --command-timeout=2s endpoint health >/dev/null 2>&1; do
  [ $SECONDS -lt $deadline ] || { echo "etcd was not healthy within 45 s" >&2; exit 1; }
  sleep 0.1
done
junk=$(mktemp)
# Large values first, then smaller ones, until not even a small one fits: the database's
# size goes in pages of 4096 bytes, and so does the quota. The steps are small: what values
# leave free within the file when they are replaced, the next smaller ones must fill.
for bytes in 900000 300000 100000 40000 12000 4000 1500; do
  etcdctl alarm disarm >/dev/null
  head -c $bytes /dev/urandom | base64 -w0 >"$junk"
  for turn in $(seq 100); do
    # Any other trouble of a busy machine passes.
    said=$(etcdctl put "$1" <"$junk" 2>&1) || case $said in *"space exceeded"*) break ;; esac
  done
done
rm -f "$junk"
etcdctl alarm list | grep -q NOSPACE || {
  echo "the quota is not used up after 120 MiB, and the last answer is: $said" >&2
  exit 1
}
