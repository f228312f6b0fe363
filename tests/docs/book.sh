#!/usr/bin/env bash
# Builds the documents as a site with mdBook (book.toml), and checks each link of its pages. The site is then in
# target/book/site. The links of the Markdown files themselves are checked by tests/it/docs_links.rs.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v mdbook >/dev/null || cargo install --locked --quiet --debug mdbook@0.5.4 --no-default-features --features search
src=target/book/src site=target/book/site
rm -rf target/book
mkdir -p $src

# The pages, by the table of contents, and all that they link to.
mapfile -t pages < <(sed -n 's/^ *-* *\[.*\](\(.*\))$/\1/p' docs/SUMMARY.md | sed 's|^|docs/|; s|^docs/\.\./||')
for page in docs/*.md docs/adr/*.md; do
    [[ $page = docs/SUMMARY.md || " ${pages[*]} " = *" $page "* ]] || { echo "docs/SUMMARY.md lacks $page" >&2; exit 1; }
done
cp --parents "${pages[@]}" $src
cp -r --parents docs/images docs/*.json docs/*.html docs/*.yaml config deploy helm/matrix-rendezvous/{ci,examples} LICENSE $src
sed 's|](\.\./|](|; t; s|](\([a-z]\)|](docs/\1|' docs/SUMMARY.md >$src/SUMMARY.md

mdbook build

# mdBook names the page of a README.md index.html, and does not change links to it.
for page in "${pages[@]}"; do
    [[ $page != *README.md ]] || cp "$site/${page%README.md}index.html" "$site/${page%.md}.html"
done
# A folder that a page links to needs an index, as a web server lists none.
for folder in ci examples; do
    (cd $site/helm/matrix-rendezvous/$folder && for file in *; do echo "<a href=\"$file\">$file</a><br>"; done >../index && mv ../index index.html)
done

# Each href and src, as "PAGE TARGET", once; without those of other sites.
links=$(cd $site && grep -roE '(href|src)="[^"]*"' --include='*.html' . |
    sed -E 's/^([^:]*):(href|src)="([^"]*)"$/\1 \3/' | grep -vE ' ([a-z]+:|$)' | sort -u)
broken=0
while read -r page target; do
    file=${target%%#*} fragment=
    [[ $target != *'#'* ]] || fragment=${target#*#}
    if [ -z "$file" ]; then file=$page; else file=$(dirname "$page")/$file; fi
    [ ! -d "$site/$file" ] || file=$file/index.html
    if [ ! -f "$site/$file" ] || { [ -n "$fragment" ] && ! grep -qF "id=\"$fragment\"" "$site/$file"; }; then
        echo "broken: $page -> $target" >&2
        broken=1
    fi
done <<<"$links"
count=$(wc -l <<<"$links")
[ $broken = 0 ]
[ "$count" -gt 500 ]
echo "the site is in $site; its $count links work"
