#!/usr/bin/env bash
# Lints, renders and packages each chart that has examples of its values, for each of them: `make chart`.
# What it renders and packages is in dist/charts.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(tools/offline/kubernetes.sh helm)
namespace=em-$(basename "$(dirname charts/*/gateway)")
made=dist/charts
export HELM_CACHE_HOME=$made/helm HELM_CONFIG_HOME=$made/helm HELM_DATA_HOME=$made/helm

rm -rf "$made"
mkdir -p "$made/helm"
for examples in charts/*/ci; do
  chart=$(dirname "$examples")
  name=$(basename "$chart")
  "$tools/helm-4" dependency build "$chart" >/dev/null
  for values in "$examples"/*.yaml; do
    manifests=$made/$name-$(basename "$values")
    for helm in helm-3 helm-4; do
      "$tools/$helm" lint --strict --quiet "$chart" --values "$values"
    done
    "$tools/helm-4" template "$name" "$chart" --namespace "$namespace" --values "$values" >"$manifests"
    echo "$manifests: $(grep -c '^kind:' "$manifests") manifests"
  done
  "$tools/helm-4" package "$chart" --destination "$made" >/dev/null
done
rm -rf "$made/helm"
ls "$made"/*.tgz
