# $1: the name of the processes
pkill -KILL -x "$1" || { echo "there is no process $1 to be killed" >&2; exit 1; }
