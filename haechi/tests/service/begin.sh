#!/bin/sh
# begin.sh PEERS TREE GROUP HAECHI UNIT CONFIG: becomes a systemd with a root of its own, in which it knows of one
# unit. To be run in a mount namespace of its own; all but the control group GROUP is gone with its processes.
set -eu

peers=$1 tree=$2 group=$3 haechi=$4 unit=$5 config=$6
mount -t tmpfs none "$tree"
cd "$tree"
mkdir -p cgroup dev etc/haechi etc/systemd/system/haechi.service.d home proc root run sys tmp usr/bin usr/lib usr/lib64 \
    var/cache var/lib var/tmp
# Its groups stand below one of its own, also where the machine's systemd has others.
mount -t cgroup2 none cgroup
mkdir "cgroup/$group"
echo $$ >"cgroup/$group/cgroup.procs"

for folder in lib lib64; do
    mount --bind "$peers/root/usr/$folder" "usr/$folder"
    ln -s "usr/$folder" "$folder"
done
ln -s usr/bin bin
ln -s usr/bin sbin
ln -s bin usr/sbin
ln -s ../run var/run
cp "$peers/root/usr/bin/systemctl" "$peers/root/usr/bin/journalctl" usr/bin
cp "$haechi" usr/bin/haechi
cp "$config" etc/haechi/haechi.yaml
cp "$unit" etc/systemd/system/haechi.service
# A test does not wait for ten seconds, and starts it more than five times.
printf '[Unit]\nStartLimitBurst=100\n[Service]\nWatchdogSec=2s\n' >etc/systemd/system/haechi.service.d/quick.conf
printf '[Unit]\nDefaultDependencies=no\n' >etc/systemd/system/nothing.target
ln -s /dev/null etc/systemd/system/tmp.mount
printf 'root:x:0:0::/root:/bin/false\nhaechi:x:990:990::/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nhaechi:x:990:\n' >etc/group
: >etc/machine-id

# PrivateDevices= copies these.
mount -t tmpfs none dev
mount -t tmpfs none run
mkdir dev/pts dev/shm
mount -t devpts none dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full tty random urandom; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done

# shellcheck disable=SC2016  # expanded by the inner shell
exec unshare --pid --fork --kill-child --mount-proc="$tree/proc" --cgroup --uts --ipc sh -euc '
    mount --rbind /sys sys
    mount -t tmpfs none sys/fs/cgroup
    mount -t cgroup2 none sys/fs/cgroup
    # Its root must be that of its mounts: it makes others from it.
    mount --move . /
    exec env -i container=test PATH=/usr/bin "$(command -v chroot)" . \
        /usr/lib/systemd/systemd --system --unit=nothing.target
'
