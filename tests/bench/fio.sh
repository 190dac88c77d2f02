#!/usr/bin/env bash
# fio.sh DIR [rows|article]: ringo bench beside the installed fio, on files in DIR; what docs/results/bench.md shows.
# The tables are kept in build/bench/fio; where they are there already, they are not measured again. It takes
# 20 minutes; LOCK names a command to run each part by, where a machine is shared.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$(realpath "$1")
what=${2:-all}
out=build/bench/fio
mkdir -p $out

part() { # NAME WORDS...: one run of ringo bench, its table in NAME.txt
	local name=$1
	shift
	[ -s $out/"$name".txt ] || ${LOCK:-} bin/ringo bench "$@" >$out/"$name".new
	[ ! -e $out/"$name".new ] || mv $out/"$name".new $out/"$name".txt
}

rows() {
	local direct bs invalidate
	bin/ringo bench --name=file --filename="$dir"/rows.dat --size=256m --rw=read --bs=1m >/dev/null
	for direct in 1 0; do
		for bs in 4k 16k; do
			invalidate=$direct
			[ $direct = 1 ] || cat "$dir"/rows.dat >/dev/null
			part rows-$direct-$bs --name=reads --filename="$dir"/rows.dat --size=256m --rw=randread --bs=$bs \
				--direct=$direct --invalidate=$invalidate --time_based --runtime=400ms \
				--engine=fio:io_uring,io_uring,goread,libaio,fio:libaio \
				--matrix=iodepth=1,8,32,128 --matrix=batch=fio,auto --repeats=9
		done
	done
	part null --name=null --size=100t --rw=randread --norandommap --bs=4k --time_based --runtime=500ms \
		--engine=fio:null,null --matrix=iodepth=1,32 --repeats=9
}

article() {
	local direct bs
	for direct in 1 0; do
		for bs in 16k 32k 1m; do
			part article-$direct-$bs --set filename="$dir"/article.dat --set runtime=600ms --set ramp_time=0 \
				--engine=ringo,goread,psync,libaio,fio:io_uring,fio:libaio --matrix=direct=$direct --matrix=bs=$bs \
				--matrix=iodepth=8,16,32 --repeats=5 tests/bench/article-matrix.fio
		done
	done
}

case $what in
rows) rows ;;
article) article ;;
all) rows && article ;;
*) echo "usage: fio.sh DIR [rows|article]" >&2 && exit 2 ;;
esac
