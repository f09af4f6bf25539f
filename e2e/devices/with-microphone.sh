#!/usr/bin/env bash
# with-microphone.sh COMMAND…: runs COMMAND on a machine that has a microphone, into which somebody whistles at 440 Hz.
# The microphone is a headless PulseAudio of its own, whose default source carries the tone; ALSA's default device goes
# there too. Ends with COMMAND, or on SIGTERM.
set -euo pipefail

home=$(mktemp -d)
mkdir -m 700 "$home/run" "$home/config"
# What the publisher keeps (known servers) goes with the rest of this home.
export HOME=$home XDG_RUNTIME_DIR=$home/run XDG_CONFIG_HOME=$home/config
export PULSE_SERVER=unix:$home/run/pulse.sock PULSE_COOKIE=$home/cookie
head -c 256 /dev/urandom > "$PULSE_COOKIE"
cat > "$home/.asoundrc" <<'ASOUND'
pcm.!default { type pulse hint { show on description "PulseAudio" } }
ctl.!default { type pulse }
ASOUND

# norewinds: without it the first sound can be two seconds late.
pulseaudio -n --daemonize=no --exit-idle-time=-1 --disable-shm=yes --use-pid-file=no --high-priority=no --realtime=no \
  -L "module-native-protocol-unix auth-cookie=$PULSE_COOKIE socket=$home/run/pulse.sock" \
  -L "module-null-sink sink_name=room rate=48000 channels=2 norewinds=1" \
  -L "module-remap-source source_name=microphone master=room.monitor source_properties=device.description=Microphone" \
  -L "module-sine sink=room frequency=440" > "$home/pulseaudio.log" 2>&1 &
sound_server=$!
command=
finish() {
  [[ -z $command ]] || kill "$command" 2> /dev/null || true
  [[ -z $command ]] || wait "$command" 2> /dev/null || true
  kill "$sound_server" 2> /dev/null || true
  wait "$sound_server" 2> /dev/null || true
  rm -rf "$home"
}
trap finish EXIT
trap 'exit 143' TERM INT

until pactl info > /dev/null 2>&1; do
  if ! kill -0 "$sound_server" 2> /dev/null; then
    cat "$home/pulseaudio.log" >&2
    exit 1
  fi
  sleep 0.05
done
pactl set-default-source microphone
# The whistle is at -6 dBFS; -18 is that of the test tone, and far below a click.
pactl set-source-volume microphone -12dB
pactl set-default-sink room

"$@" &
command=$!
wait "$command"
