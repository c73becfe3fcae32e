#!/bin/sh
# Prints the benchmarks of README.md anew, each command and what it printed: 20 to 30 minutes on two
# idle processors.
#   sh benchmarks/run.sh [DATA] > figures.txt
# DATA is a folder with moods/mood_aggressive.json and moods/lowlevel.jsonl.gz: 280 real documents.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
data=${1:-$root/../shared/data}
acoustic=${ACOUSTIC:-$root/.venv/bin/acoustic}
python=${PYTHON:-$root/.venv/bin/python}

show() {
    echo "\$ acoustic $*"
    "$acoustic" "$@" >"$scratch/said"
    sed 's/ *$//' "$scratch/said"
    echo
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# The whole job: documents in, model out, all 720 combinations.
if [ -e "$data/moods/mood_aggressive.json" ]; then
    ln -s "$(cd "$data" && pwd)/moods" moods
    show train moods/mood_aggressive.json moods/lowlevel.jsonl.gz --model mood_aggressive.model
else
    echo "# left out: acoustic train on mood_aggressive, for there is no $data/moods" >&2
fi

# The layout of AcousticBrainz's documents, all 720 combinations.
show bench grid --n 280 --d 674 --classes 2 --preprocessing all --rounds 5 --against-rounds 3
show bench grid --n 600 --d 674 --classes 4 --preprocessing all --sample 180 --rounds 5 --against-rounds 3

# One preprocessing, 144 combinations; with AVX2, and one thread for the scaling, beside it.
show bench grid --n 600 --d 2000 --classes 4 --sample 72 --rounds 9 --against-rounds 2 --also avx2,one-thread
for time in 1 2 3; do # the pool takes a third longer at one time than at another
    show bench grid --n 2000 --d 2000 --classes 4 --sample 36 --rounds 7 --against-rounds 1 --also avx2,one-thread
done
show bench grid --n 2000 --d 300 --classes 4 --sample 36 --rounds 5 --against-rounds 1 --also avx2,one-thread

# Hard: rows of rank 3 with noisy labels. The higher the cap on iterations, the less it matters what
# both sides do but iterate.
show bench grid --n 2000 --d 300 --classes 4 --low-rank --label-noise 0.2 --max-iterations 10000 --sample 18 --rounds 3 --against-rounds 1 --also avx2,one-thread
show bench grid --n 600 --d 300 --classes 2 --low-rank --label-noise 1 --max-iterations 100000 --sample 36 --rounds 3 --against-rounds 1 --also avx2,one-thread
show bench grid --n 600 --d 300 --classes 4 --low-rank --label-noise 1 --max-iterations 100000 --sample 18 --rounds 1 --against-rounds 1

# What is large.
show bench grid --n 5000 --d 700 --classes 4 --preprocessing all --against none --rounds 1

# Eighteen models: alone, and from Postgres to Postgres.
show bench predict --rounds 3 --against sklearn,sklearn-batch
show bench highlevel
show bench highlevel --processes 2

echo "\$ python -m benchmarks.growth"
cd "$root"
"$python" -m benchmarks.growth
