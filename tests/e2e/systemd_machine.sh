#!/bin/bash
# Boots a systemd of its own, in name spaces, on a throw-away copy of this machine's files: an
# overlay, of which the machine sees nothing. The caller keeps the name spaces:
#
#   unshare --pid --fork --kill-child --mount --ipc --uts --net systemd_machine.sh FOLDER PREPARE
#
# FOLDER is empty, and may be removed after; PREPARE runs in the copy, as root, before it boots.
set -eu
folder=$1 prepare=$2

mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
root=$folder/root
mkdir "$folder/upper" "$folder/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"

# Of what this machine starts, nothing: what tests start is all there is.
system=$root/etc/systemd/system
rm -rf "${system:?}"
mkdir "$system"
echo '[Unit]' >"$system/tests.target"
for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service \
  systemd-tmpfiles-clean.timer systemd-udevd.service systemd-udev-trigger.service \
  systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-networkd.service \
  systemd-resolved.service systemd-timesyncd.service systemd-remount-fs.service; do
  ln -s /dev/null "$system/$unit"
done
: >"$root/etc/machine-id"
rm -rf "${root:?}/var/log/journal"

# A control group of its own, which the caller removes: those of this machine are not its to end.
group=$root/sys/fs/cgroup/$(basename "$folder")
mkdir "$group"
echo $$ >"$group/cgroup.procs"

mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
rmdir /old
# As where systemd is the first: what it mounts for a service is seen by all.
mount --make-rshared /
ip link set lo up
"$prepare"
exec unshare --cgroup env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=tests.target
