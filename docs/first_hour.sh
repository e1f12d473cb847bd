#!/usr/bin/env bash
# The first hour with your own things, from a checkout: data in many layouts, checkpoints of several trainings, run,
# compare, table, page. It needs no network. The images are photographs if ../shared/data lies beside the checkout,
# else drawn scenes. Usage: docs/first_hour.sh [FOLDER]
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$(mktemp -d)}
export XDG_CACHE_HOME="$folder/cache"
run() { printf '\n$ %s\n' "$*" && "$@"; }

mkdir -p "$folder"
cd "$folder"
uv run --project "$checkout" python "$checkout/docs/examples/first_hour_data.py" data "$checkout/../shared/data"
goldieval() { uv run --project "$checkout" goldieval "$@"; }

# Your data: each folder becomes a card; nothing is edited by hand.
for layout in data/my-*; do
  run goldieval data import "$layout"
done
run goldieval data preview my-birds.yaml --png my-birds.png
run goldieval data preview my-masks.yaml

# Your checkpoints: of open_clip under DDP, of Lightning with torch.compile, an average beside the raw weights, and
# a training of this project.
run goldieval train clip-tiny --out run --set optimiser.steps=2 --set optimiser.batch_size=8 --set data.scenes=64
tiny=ViT-S-32-alt
tasks=my-birds.yaml,my-lines.yaml,my-shards.yaml,my-foils.yaml
run goldieval run --model "open_clip:$tiny@data/checkpoints/epoch_1.pt" --tasks "$tasks"
run goldieval run --model "open_clip:$tiny@data/checkpoints/last.ckpt" --tasks "$tasks"
run goldieval run --model "open_clip:$tiny@data/checkpoints/averaged.pt#model_ema" --tasks "$tasks"
run goldieval run --model "goldiclip@run/step-000002" --tasks "$tasks,my-masks.yaml"

# What came of it.
run goldieval show results
run goldieval compare "open_clip:$tiny@data/checkpoints/epoch_1.pt" "goldiclip@run/step-000002" --html compare.html
run goldieval table --html leaderboard.html
run goldieval table --format markdown
printf '\nPages:\n' && printf '%s\n' "$folder"/*.html
