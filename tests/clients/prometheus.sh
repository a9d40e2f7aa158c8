#!/bin/bash
# A real Prometheus scrapes a server and is asked what it found: prometheus.sh SERVER
# Exit status 77: prometheus, curl or jq is not installed.
set -euo pipefail
server=$1
for program in prometheus curl jq; do
  command -v "$program" > /dev/null || { echo "$program is not installed"; exit 77; }
done
folder=$(mktemp -d)
pids=()
clean_up() {
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
  wait
  rm -rf "$folder"
}
trap clean_up EXIT

# wait_for TEXT FILE: until it stands there, at most a minute.
wait_for() {
  for ((i = 0; i < 600; ++i)); do
    if grep -q "$1" "$2" 2> /dev/null; then return; fi
    sleep 0.1
  done
  cat "$2"
  exit 1
}
ask() { curl -q --silent --show-error --noproxy '*' --max-time 10 "$@"; }

"$server" > "$folder/server.log" 2>&1 &
pids+=($!)
wait_for 'listening on' "$folder/server.log"
url=$(sed -n 's/.*listening on //p' "$folder/server.log" | head -1)
ask -H 'Content-Type: image/png' --data-binary picture "$url/recognize" > /dev/null

cat > "$folder/prometheus.yml" << END
scrape_configs:
  - job_name: fovea
    scrape_interval: 1s
    static_configs:
      - targets: ['${url#http://}']
END
# Port 0 takes a free one, which the log tells.
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
  --web.listen-address=127.0.0.1:0 --log.level=debug > "$folder/prometheus.log" 2>&1 &
pids+=($!)
wait_for 'Server is ready' "$folder/prometheus.log"
address=$(grep -o 'address=127.0.0.1:[0-9]*' "$folder/prometheus.log" | sed 's/address=//' | grep -v ':0$' | head -1)
[[ -n $address ]] || { echo "no address in Prometheus's log"; cat "$folder/prometheus.log"; exit 1; }

query() {
  ask --get --data-urlencode "query=$1" "http://$address/api/v1/query" | jq -r '.data.result[0].value[1] // empty'
}
up=
for ((i = 0; i < 300; ++i)); do
  up=$(query 'up{job="fovea"}' || true)
  [[ $up == 1 ]] && break
  sleep 0.2
done
[[ $up == 1 ]] || { echo "the scrape did not succeed"; ask "http://$address/api/v1/targets" | jq .; exit 1; }
value=$(query 'fovea_http_requests_total{endpoint="/recognize",status="200"}')
[[ $value == 1 ]] || { echo "expected one request to /recognize, Prometheus knows of \"$value\""; exit 1; }
value=$(query 'histogram_quantile(0.5, fovea_answer_duration_seconds_bucket{task="trading-card"})')
[[ -n $value ]] || { echo "Prometheus cannot make a quantile of the answers' duration"; exit 1; }
echo "Prometheus scraped the server: one request, median answer $value s"
