#!/usr/bin/env bash
# camera-vm.sh [--this-system PORT] JOB.sh FOLDER PROGRAM…: boots Debian's own kernel under QEMU, without hardware support, with two V4L2
# cameras (the kernel's vivid driver, /dev/video0 and /dev/video1) and an ALSA card (snd-aloop), and runs JOB.sh there.
# Each PROGRAM is in the PATH there, with its shared libraries; FOLDER is /mnt there; the host is 10.0.2.2.
# With --this-system this machine's own files are at /system there, to be read and run, and what listens at port 4444 there
# is reached at PORT of 127.0.0.1.
# Nothing is installed into this machine's kernel. What is downloaded is kept in $FOOTLIGHT_CACHE.
set -euo pipefail

memory=1024 forward='' system=() word=''
if [[ $1 == --this-system ]]; then
  memory=3072 forward=",hostfwd=tcp:127.0.0.1:$2-:4444" word=this_system
  # Many file systems become one there, whose files must not share their numbers.
  system=(-fsdev local,id=system,path=/,security_model=none,readonly=on,multidevs=remap
    -device virtio-9p-pci,fsdev=system,mount_tag=system)
  shift 2
fi
job=$1 folder=$2
shift 2
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
cache=${FOOTLIGHT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/footlight}/kernel
mkdir -p "$cache"

# The newest kernel that apt knows; one that is in the cache already will do.
kernel() {
  local cached package
  cached=$(find "$cache" -maxdepth 1 -name 'vmlinux-*' | sort -V | tail -n 1)
  if [[ -n $cached ]]; then
    echo "${cached##*/vmlinux-}"
    return
  fi
  package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
  if [[ -z $package ]]; then
    echo "apt knows no linux-image-amd64: run apt-get update" >&2
    return 1
  fi
  echo "${package#linux-image-}"
}
version=$(kernel)
if [[ ! -e $cache/vmlinux-$version ]]; then
  echo "fetching kernel $version"
  (cd "$cache" && apt-get download -q "linux-image-$version" && dpkg -x linux-image-"$version"_*.deb "tree-$version" \
    && rm -f linux-image-"$version"_*.deb && depmod -b "tree-$version" "$version")
  # QEMU boots an unpacked kernel directly (PVH), which saves a second of decompression in emulation.
  python3 - "$cache/tree-$version/boot/vmlinuz-$version" "$cache/vmlinux-$version.part" <<'PYTHON'
import lzma
import sys

image = open(sys.argv[1], "rb").read()
start = image.find(b"\xfd7zXZ\x00")
if start < 0:
    sys.exit("the kernel is not compressed by xz")
open(sys.argv[2], "wb").write(lzma.LZMADecompressor().decompress(image[start:]))
PYTHON
  mv "$cache/vmlinux-$version.part" "$cache/vmlinux-$version"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,etc,mnt,modules,usr/share}
cp "$(command -v busybox)" "$root/bin/"
ln -s busybox "$root/bin/sh"

# Modules in the order in which they have to be loaded.
for module in virtio_pci vivid snd-aloop 9p 9pnet_virtio virtio_net; do
  modprobe -S "$version" -d "$cache/tree-$version" --show-depends "$module" | awk '{ print $2 }'
done | awk '!seen[$0]++' > "$work/modules"
xargs -a "$work/modules" cp -t "$root/modules/"
sed 's#.*/##' "$work/modules" > "$root/modules/order"

for program in "$(command -v v4l2-ctl)" "$(command -v speaker-test)" "$(command -v script)" "$@"; do
  cp "$program" "$root/bin/"
  { ldd "$program" || true; } | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -nL "$library" "$root$library"
  done
done
cp -r /usr/share/alsa "$root/usr/share/"
cp "$here/init.sh" "$root/init"
cp "$job" "$root/job.sh"
chmod +x "$root/init" "$root/job.sh"
(cd "$root" && find . | cpio -o -H newc --quiet) > "$work/initramfs"

# In the background and waited for, so that a signal to this script is acted on at once.
qemu-system-x86_64 -accel tcg,thread=multi,tb-size=512 -cpu max -M q35,hpet=off -smp 2 -m $memory -nodefaults -no-user-config \
  -no-reboot -display none -serial stdio -kernel "$cache/vmlinux-$version" -initrd "$work/initramfs" \
  -append "console=ttyS0 quiet panic=-1 nokaslr mitigations=off tsc=unstable clocksource=acpi_pm no_timer_check random.trust_cpu=on $word" \
  "${system[@]}" -netdev "user,id=net$forward" -device virtio-net-pci,netdev=net \
  -fsdev "local,id=share,path=$folder,security_model=none" -device virtio-9p-pci,fsdev=share,mount_tag=share < /dev/null &
machine=$!
trap 'kill "$machine" 2> /dev/null || true; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT
wait "$machine"
