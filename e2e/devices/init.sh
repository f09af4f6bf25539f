#!/bin/sh
# The first process of the virtual machine: devices, network, the shared folder, then the job.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /dev/shm /dev/pts
mount -t devpts devpts /dev/pts
ip link set lo up

while read -r module; do
  case $module in
    # Two webcams, each with the controls that inject faults.
    vivid.ko) insmod /modules/$module n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0x0,0x0 vid_cap_nr=0,1 no_error_inj=0 ;;
    snd-aloop.ko) insmod /modules/$module index=0 pcm_substreams=2 ;;
    *) insmod /modules/$module ;;
  esac
done < /modules/order

ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /mnt

# The files of the machine around this one, with places of its own for what is written.
if grep -q this_system /proc/cmdline; then
  mkdir /system
  mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose system /system
  for folder in tmp run root var/tmp; do mount -t tmpfs tmp /system/$folder; done
  for folder in dev dev/pts dev/shm; do mount -o bind /$folder /system/$folder; done
  mount -t proc proc /system/proc
  mount -t sysfs sys /system/sys
fi

# vivid starts at 25/2 frames a second, which is no whole number of frames: as a camera's own default it is rare.
for device in 0 1; do
  v4l2-ctl -d /dev/video$device --set-fmt-video=width=320,height=180,pixelformat=YUYV --set-parm=30 > /dev/null
done
# What is played on one side of the loopback card is recorded on the other.
cat > /etc/asound.conf <<'ASOUND'
pcm.!default { type asym playback.pcm "plughw:0,0" capture.pcm "plughw:0,1" }
ctl.!default { type hw card 0 }
ASOUND

sh /job.sh
echo "job ended with status $?"
sync
echo o > /proc/sysrq-trigger
sleep 5
