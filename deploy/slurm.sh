#!/usr/bin/env bash
# Extraction of features in eight shards, one task each: a Slurm array over a shared folder.
#
#   sbatch deploy/slurm.sh train.jsonl MODEL /shared/features
#   toolken extract merge /shared/features        # when all tasks have ended well
#
# Every task finds its shard in SLURM_ARRAY_TASK_ID, and their number in SLURM_ARRAY_TASK_COUNT. A task that dies is queued
# again and goes on where it was: whole parts are in the folder, half ones never. The folder may be a bucket, s3://…, in a
# build with `--features object-store`.
#SBATCH --job-name=toolken-extract
#SBATCH --array=0-7
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=toolken-extract-%A-%a.log
set -euo pipefail

if [ $# -ne 3 ]; then
    echo "usage: sbatch deploy/slurm.sh CORPUS MODEL PLACE" >&2
    exit 2
fi
RAYON_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} exec toolken extract "$1" --model "$2" --shard auto --to "$3"
