"""Trims openEBGM's data set `caers` to one line per report: `python make.py caers.csv.gz`, here.

The argument has the columns id, var1 (product), var2 (event), strat1 (sex), one line per report,
product and event. Products and events of a report become lists; every report names all its events
with all its products, so that nothing is lost but repeated lines (239) and the numbers of reports.
"""
import csv
import gzip
import io
import sys

reports, rows = {}, 0
with gzip.open(sys.argv[1], "rt", newline="") as file:
    for line in csv.DictReader(file):
        rows += 1
        assert "|" not in line["var1"] + line["var2"]
        sex, products, events, pairs = reports.setdefault(line["id"], (line["strat1"], set(), set(), set()))
        assert sex == line["strat1"]
        products.add(line["var1"])
        events.add(line["var2"])
        pairs.add((line["var1"], line["var2"]))
assert all(len(products) * len(events) == len(pairs) for _, products, events, pairs in reports.values())

lines = sorted(("|".join(sorted(products)), "|".join(sorted(events)), sex) for sex, products, events, _ in reports.values())
text = io.StringIO()
writer = csv.writer(text, lineterminator="\n")
writer.writerow(["sex", "products", "events"])
writer.writerows((sex, products, events) for products, events, sex in lines)
with open("caers_2012.csv.gz", "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as file:
    file.write(text.getvalue().encode())
print(rows, "rows,", len(reports), "reports,", sum(len(report[3]) for report in reports.values()), "different rows")
