# $1: the directory
cd -- "$1" && find . -mindepth 1 -delete
