"""usage: python3 boosting_predict.py DATA PEER THREADS   (PEER: lightgbm or xgboost)

Risks of 1,000,000 rows (c2_X_tr) by 100 trees of 31 leaves, 255 bins, rate 0.1, fitted on c1_X_tr; the bytes that
`side_by_side DATA c2_predict THREADS` reads. Three timed runs; for XGBoost the quicker of its two ways, from the
array in place and through its own matrix.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

data, peer, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def load(name):
    shape = json.loads((data / f"{name}.json").read_text())["shape"]
    return np.fromfile(data / f"{name}.bin", dtype="<f8").reshape(shape)


x, y = load("c1_X_tr"), load("c1_y_tr").ravel()
rows, truth = load("c2_X_tr"), load("c2_y_tr").ravel()


def timed(work):
    times = []
    for _ in range(3):
        start = time.perf_counter()
        risk = work()
        times.append(time.perf_counter() - start)
    return times, risk


if peer == "lightgbm":
    import lightgbm

    settings = dict(objective="binary", num_leaves=31, learning_rate=0.1, max_bin=255, num_threads=threads, verbose=-1)
    model = lightgbm.train(settings, lightgbm.Dataset(x, y), 100)
    times, risk = timed(lambda: model.predict(rows, num_threads=threads))
    version = lightgbm.__version__
else:
    import xgboost

    settings = dict(objective="binary:logistic", tree_method="hist", grow_policy="lossguide", max_leaves=31, max_depth=0,
                    max_bin=255, eta=0.1, nthread=threads)
    model = xgboost.train(settings, xgboost.DMatrix(x, y, nthread=threads), 100)
    ways = [timed(lambda: model.inplace_predict(rows)),
            timed(lambda: model.predict(xgboost.DMatrix(rows, nthread=threads)))]
    times, risk = min(ways, key=lambda way: sorted(way[0])[1])
    version = xgboost.__version__
print(json.dumps({"peer": f"{peer} {version}", "threads": threads, "times": times,
                  "auc": roc_auc_score(truth, risk)}))
