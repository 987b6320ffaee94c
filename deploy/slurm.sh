#!/usr/bin/env bash
# A search on the nodes of a Slurm allocation. Arguments are those of hrfevo, without --address:
#   sbatch --nodes=4 --gpus-per-node=4 --time=24:00:00 deploy/slurm.sh run mixers.yaml --out /SHARED/runs --store URL
#   sbatch --nodes=4 --gpus-per-node=4 --time=24:00:00 deploy/slurm.sh resume /SHARED/runs/NAME
# Options given to sbatch go before those below. docs/operations.md says what to set on shared file systems.
# hrfevo is the one that the shell finds: activate its environment before sbatch, which hands yours on.
#SBATCH --job-name=hrfevo
#SBATCH --output=hrfevo-%j.log
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
# Two minutes before its time is over the search is told, and leaves what `resume` needs.
#SBATCH --signal=B:TERM@120
set -euo pipefail

if [ -z "${SLURM_JOB_NODELIST:-}" ]; then
    echo "error: not within a Slurm job; start it by: sbatch deploy/slurm.sh run SPACE" >&2
    exit 2
fi
if [ $# -eq 0 ]; then
    echo "error: nothing to do; accepted: run SPACE, resume RUN, confirm RUN, with their options" >&2
    exit 2
fi

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
cpus=${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}
temporary=/tmp/hrfevo-$SLURM_JOB_ID # sockets lie there, and their paths must be short
# Jobs that share a node differ in their last digits, and so do their ports.
port=$((20000 + SLURM_JOB_ID % 6000 * 2))
# This script runs on the first node. Its address is another one where nodes talk over a network of their own.
address=${HRFEVO_HEAD_ADDRESS:-$(hostname --ip-address)}
address=${address%% *}

# Nobody else on these nodes is let in.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

# step NODE…: how srun starts one task on each of these nodes, with all processors that the job has there.
step() {
    srun=(srun --nodes=$# --ntasks=$# --ntasks-per-node=1 --cpus-per-task="$cpus" --nodelist="$(IFS=,; echo "$*")")
}

steps=()
finish() {
    trap - EXIT TERM INT
    for started in "${steps[@]}"; do kill "$started" 2>/dev/null || true; done
    for started in "${steps[@]}"; do wait "$started" || true; done
    step "${nodes[@]}"
    "${srun[@]}" rm -rf "$temporary" || true
}
trap finish EXIT

# With the extra `client` a head has one more port.
client=()
if python -c "import grpc" 2>/dev/null; then client=(--ray-client-server-port=$((port + 1))); fi

step "${nodes[0]}"
"${srun[@]}" ray start --head --block --node-ip-address="$address" --port="$port" "${client[@]}" \
    --include-dashboard=false --num-cpus="$cpus" --temp-dir="$temporary" > /dev/null &
steps+=($!)
for ((waited = 0; ; waited++)); do
    (exec 3<> "/dev/tcp/$address/$port") 2>/dev/null && break
    if ! kill -0 "${steps[0]}" 2>/dev/null || [ "$waited" -ge 120 ]; then
        echo "error: Ray does not start on ${nodes[0]} at $address:$port; HRFEVO_HEAD_ADDRESS names another address" >&2
        exit 1
    fi
    sleep 1
done

# Workers begin as their nodes come: nobody waits for the last.
if [ "${#nodes[@]}" -gt 1 ]; then
    step "${nodes[@]:1}"
    "${srun[@]}" ray start --block --address="$address:$port" --num-cpus="$cpus" > /dev/null &
    steps+=($!)
fi

# What is told before there is a search to tell, it hears as it begins.
told=
trap 'told=yes' TERM INT
hrfevo "$@" --address "$address:$port" &
search=$!
trap 'kill -TERM "$search" 2>/dev/null' TERM INT
if [ -n "$told" ]; then kill -TERM "$search" 2>/dev/null || true; fi
status=0
wait "$search" || status=$?
# A signal ends the wait, not the search.
while kill -0 "$search" 2>/dev/null; do
    status=0
    wait "$search" || status=$?
done
exit "$status"
