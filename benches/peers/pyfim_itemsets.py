"""usage: python3 pyfim_itemsets.py DATA TASK [eclat|fpgrowth|apriori]   (eclat where none is named)

Itemsets by pyfim on the lines that `side_by_side DATA TASK THREADS` reads, TASK as there: a1_dx_1e5,
a1_quest_1e4_closed, a1_dx_1e6_maximal, a1_dx_1e6_count. Three timed runs from lists of numbers to sets; with _count
the sets are counted by size within pyfim and not handed out. MINSUP of the environment is the least support.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import fim

LEAST = {"dx_1e4": 384, "dx_1e5": 103, "dx_1e6": 30, "quest_1e4": 285, "quest_1e5": 28, "quest_1e6": 8}
TARGETS = {"closed": "c", "maximal": "m", "generators": "g"}

data, task = Path(sys.argv[1]), sys.argv[2]
method = sys.argv[3] if len(sys.argv) > 3 else "eclat"
_, table, size, *rest = task.split("_")
least = int(os.environ.get("MINSUP", LEAST[f"{table}_{size}"]))
target = next((TARGETS[part] for part in rest if part in TARGETS), "s")
lines = [tuple(map(int, line.split())) for line in (data / f"{table}.txt").open()]
mine = getattr(fim, method)

times = []
for _ in range(3):
    start = time.perf_counter()
    if "count" in rest:
        found = int(sum(mine(lines, target=target, supp=-least, zmin=1, report="#").values()))
    else:
        found = len(mine(lines, target=target, supp=-least, zmin=1, report="a"))
    times.append(time.perf_counter() - start)
print(json.dumps({"task": task, "peer": f"pyfim-{method} {version('pyfim')}", "threads": 1, "times": times,
                  "quality": {"itemsets": found, "minsup": least}}))
