#!/usr/bin/env bash
# Fuzzes the given targets (default: all) one after another; prints a Markdown table.
# Usage: fuzz/run.sh [SECONDS_PER_TARGET] [TARGET]…
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-600}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)

# Targets write many small files: use a memory file system if there is one.
scratch=$(mktemp -d -p "$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)")
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch

# Copies, so that a build during the run does not replace the programs.
cargo +nightly fuzz build >&2
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
for target in "${targets[@]}"; do
    cp "target/$host/release/$target" "$scratch/"
done

# AddressSanitizer keeps freed memory in a quarantine, 256 MiB by default. With 16 MiB the peak
# RSS is mainly that of the reader.
export ASAN_OPTIONS=detect_odr_violation=0:quarantine_size_mb=16
failed=0
echo "| target | seconds | executions | exec/s | coverage | corpus | peak RSS, MB | findings |"
echo "|---|---:|---:|---:|---:|---:|---:|---|"
for target in "${targets[@]}"; do
    mkdir -p "artifacts/$target" "corpus/$target"
    log=artifacts/$target.log
    options=(-max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=1024
        -malloc_limit_mb=512 -print_final_stats=1 -artifact_prefix="artifacts/$target/")
    [ -f "dict/$target.dict" ] && options+=(-dict="dict/$target.dict")
    found=none
    "$scratch/$target" "${options[@]}" "corpus/$target" >"$log" 2>&1 || found="see fuzz/$log" failed=1
    stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
    last=$(grep -aoE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -1)
    took=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
    echo "| $target | ${took:--} | $(stat number_of_executed_units) | $(stat average_exec_per_sec) |" \
        "$(cut -d' ' -f2 <<<"$last") | $(cut -d' ' -f6 <<<"$last") | $(stat peak_rss_mb) | $found |"
done
exit $failed
