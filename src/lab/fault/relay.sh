# $1: the relay's unit; $2: processes that may have its address, or nothing;
# $3: a unit that moved behind the relay, or nothing; $4: `cut` if the line is to be cut
set -e
systemctl daemon-reload
[ -z "$3" ] || systemctl stop "$3"
systemctl enable "$1"
systemctl start --no-block "$1"
# What had the address may be started anew faster than the relay.
for attempt in $(seq 300); do
  systemctl is-active --quiet "$1" && break
  [ -z "$2" ] || pkill -KILL -x "$2" || :
  sleep 0.1
done
systemctl is-active --quiet "$1" || {
  echo "$1 did not get its address within 30 s" >&2
  journalctl -u "$1" -n 1 -o cat --no-pager >&2
  exit 1
}
# A line is cut when what is behind it has come up: a member that has heard of no leader yet
# would not be ready, and be started anew for ever.
[ -z "$3" ] || timeout 20 systemctl start "$3" || :
[ "$4" != cut ] || sed -i 's/^cut=no$/cut=yes/' /etc/peer-link.conf
