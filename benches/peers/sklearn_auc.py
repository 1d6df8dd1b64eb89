"""usage: python3 sklearn_auc.py DATA   (after `side_by_side DATA m1_auc 1`, which writes the scores)

AUROC and average precision by scikit-learn on the bytes that galen reads; three timed runs.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, roc_auc_score

data = Path(sys.argv[1])
score = np.fromfile(data / "m1_score.bin", dtype="<f8")
truth = np.fromfile(data / "m1_truth.bin", dtype="<f8") > 0.5
times = []
for _ in range(3):
    start = time.perf_counter()
    auroc = roc_auc_score(truth, score)
    auprc = average_precision_score(truth, score)
    times.append(time.perf_counter() - start)
print(json.dumps({"peer": f"scikit-learn {sklearn.__version__}", "times": times,
                  "auroc": auroc, "auprc": auprc}))
