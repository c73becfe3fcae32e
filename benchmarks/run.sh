#!/bin/sh
# Prints the benchmarks of README.md anew, command and output: half an hour, on an idle machine.
#   sh benchmarks/run.sh > figures.txt
set -eu
acoustic="${ACOUSTIC:-.venv/bin/acoustic}"
python="${PYTHON:-.venv/bin/python}"

show() {
    echo "\$ acoustic $*"
    "$acoustic" "$@" | sed 's/ *$//'
    echo
}

# The layout of AcousticBrainz's documents, all 720 combinations.
show bench grid --n 280 --d 674 --classes 2 --preprocessing all --sample 180
show bench grid --n 600 --d 674 --classes 4 --preprocessing all --sample 90

# One preprocessing: 144 combinations.
show bench grid --n 600 --d 2000 --classes 4 --sample 36 --rounds 5
show bench grid --n 600 --d 2000 --classes 4 --sample 36 --rounds 5 --instruction-set avx2
show bench grid --n 2000 --d 300 --classes 4 --sample 18
show bench grid --n 2000 --d 300 --classes 4 --sample 18 --instruction-set avx2 --rounds 1
show bench grid --n 2000 --d 2000 --classes 4 --sample 18 --rounds 1
show bench grid --n 2000 --d 2000 --classes 4 --sample 18 --rounds 1 --instruction-set avx2
show bench grid --n 600 --d 300 --classes 2 --low-rank --max-iterations 100000 --sample 36

# One thread, for the scaling.
show bench grid --n 600 --d 2000 --classes 4 --against none --rounds 9 --jobs 1
show bench grid --n 600 --d 2000 --classes 4 --against none --rounds 9
show bench grid --n 2000 --d 300 --classes 4 --against none --jobs 1
show bench grid --n 2000 --d 300 --classes 4 --against none

# What is large.
show bench grid --n 5000 --d 700 --classes 4 --preprocessing all --against none --rounds 1

# Eighteen models.
show bench predict --rounds 5 --against sklearn,sklearn-batch

echo "\$ python -m benchmarks.growth"
"$python" -m benchmarks.growth
