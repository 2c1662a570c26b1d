"""Drain3 as it comes, on a file of log lines: `drain.py parse IN.log OUT.csv` and `drain.py speed IN.log SECONDS`.

`parse` writes `line,template_id,template` as the templates are after the last line. `speed` prints lines a second of processor time,
over the first SECONDS of the file, reading not included.
"""

import csv
import logging
import sys
import time

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

logging.disable(logging.CRITICAL)


def lines(path):
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        return file.read().split("\n")[:-1]


def parse(source, target):
    miner = TemplateMiner(config=TemplateMinerConfig())
    ids = [miner.add_log_message(line)["cluster_id"] for line in lines(source)]
    final = {cluster.cluster_id: cluster.get_template() for cluster in miner.drain.clusters}
    with open(target, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["line", "template_id", "template"])
        out.writerows((number + 1, cluster, final[cluster]) for number, cluster in enumerate(ids))


def speed(source, seconds):
    miner = TemplateMiner(config=TemplateMinerConfig())
    content = lines(source)
    started = time.thread_time()
    done = 0
    for line in content:
        miner.add_log_message(line)
        done += 1
        if done % 1000 == 0 and time.thread_time() - started > seconds:
            break
    print(done / (time.thread_time() - started))


if __name__ == "__main__":
    command, source, argument = sys.argv[1:]
    parse(source, argument) if command == "parse" else speed(source, float(argument))
