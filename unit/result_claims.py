# SPDX-License-Identifier: GPL-2.0
"""What unit/result_test.c, of which this is a part, expects to find in its files.

    FILE CLAIM        CLAIM is one of the functions below
    FILE SCHEMA CODE  is FILE what SCHEMA says, and is it not any more after any one line
                      of CODE has changed it?

Exit status: 0 yes, 1 no, 77 if there is no jsonschema.
"""

import json
import sys

TEXT_MAX = 16384
BAD = '\ufffd'


def once(pairs):
    """No name is there twice."""
    fields = dict(pairs)
    assert len(fields) == len(pairs), pairs
    return fields


def no_constant(name):
    """JSON has no NaN and the like."""
    raise ValueError(name)


def load(path):
    with open(path, encoding='utf-8') as f:
        return json.load(f, object_pairs_hook=once, parse_constant=no_constant)


def equal(seen, want):
    assert seen == want, f'seen {seen}, expected {want}'


def what_was_tested(r):
    equal((r['schema'], r['suite'], r['scenario']), (1, 'cpuset', 'swap'))
    equal(r['bug'], 'who forgets "half" of the tasks\\CPUs')
    equal(r['rerun'], './catalogue -r cpuset.env.swap')
    equal(r['durations'], {'boot_ns': 100, 'scenario_ns': 3000, 'total_ns': 5000})
    equal(r['topology'], {
        'spec': '2n2l2c1t', 'cpus': 4, 'nodes': 2, 'llcs': 2, 'cores_per_llc': 2,
        'threads_per_core': 1, 'llc_cpus': ['0-1', '2-3'], 'node_cpus': ['0-1', '2-3']})
    equal(r['kernel'], {
        'path': '/boot/vmlinux', 'release': '6.12.1', 'image': 'bzImage',
        'image_version': '6.12.1 #1', 'cmdline': 'quiet'})
    equal(r['guest'], {
        'state': 'kernel panic', 'reason': 'vCPU 1', 'broken': '', 'irq_failures': 2,
        'warnings': 'no\n'})
    equal((r['host']['emulated'], r['host']['overcommit']), (True, 4))
    assert r['host']['online_cpus'] > 0 and r['host']['kernel_release']
    equal(r['scheduler'], {
        'command': '/opt/bin/scx_foo -v 1', 'ops': 'foo', 'lacks': ['nice', 'cpu.weight'],
        'lacks_reason': 'FIFO', 'defects': ['gap'],
        'defects_reason': 'known', 'reloaded': True, 'end_state': 'disabled', 'end_ops': '',
        'exit': {
            'state': 'disabled', 'ops': 'foo', 'reason': 'stalled\nfor 30 s', 'pid': 7,
            'ended': True, 'wait_status': 256, 'when_ns': 8, 'output': 'bye\n'},
        'events_before': {'SCX_EV_A': 1, 'SCX_EV_B': 2},
        'events_after': {'SCX_EV_A': 2**64 - 1}})


def the_scenario(r):
    equal(r['cgroups'], [
        {'name': 'a', 'cpus': {'intent': 'llc(1)', 'cpus': '2-3'}, 'weight': 300,
         'quota_percent': None, 'mems': None, 'later': False},
        {'name': 'a/b', 'cpus': {'intent': 'exact(0,2)', 'cpus': '0,2'}, 'weight': None,
         'quota_percent': 150, 'mems': {'intent': 'numa(0)', 'cpus': '0-1'}, 'later': True}])
    steps = r['steps']
    equal(len(steps), 7)
    equal(steps[0], {
        'op': 'hold', 'percent': 50, 'ms': 0, 'cgroup': None, 'other': None,
        'workers': None, 'cpus': None, 'value': 0, 'program': None,
        'scheduler': None, 'args': None})
    equal((steps[1]['cgroup'], steps[1]['other']), ('a', 'a/b'))
    equal(steps[2]['cpus']['intent'], 'overlap(0 of 2, 50 %)')
    equal((steps[3]['workers'], steps[3]['value']), ('w', -3))
    equal(steps[4]['program'], 'stress')
    equal((steps[6]['op'], steps[6]['scheduler'], steps[6]['args']),
          ('replace', 'scx_ktstr', '--policy fifo'))


def verdict_and_findings(r):
    equal(r['verdict'], 'FAIL')
    equal(r['findings'], [
        {'check': 'gap', 'group': 'w', 'verdict': 'FAIL', 'text': 'waited', 'seen': 700,
         'limit': 500, 'limit_is': 'most', 'unit': 'ms', 'cpu': 0, 'at_ns': 0},
        {'check': 'floor', 'group': None, 'verdict': 'PASS', 'text': 'enough', 'seen': 0,
         'limit': 0, 'limit_is': 'least', 'unit': '%', 'cpu': None, 'at_ns': None},
        {'check': 'alive', 'group': None, 'verdict': 'INCONCLUSIVE', 'text': 'nobody knows',
         'seen': None, 'limit': None, 'limit_is': None, 'unit': None, 'cpu': None,
         'at_ns': None}])


def groups(r):
    first, second = r['groups']
    equal(first.pop('stats'), {
        'workers': 2, 'stuck': 3, 'corrupt': 4, 'cpu_ns': 5, 'available_ns': 6,
        'mean_rate': 7, 'min_rate': 8, 'min_worker': 9, 'max_rate': 10, 'max_worker': 11,
        'gap': {'raw_ns': 12, 'run_delay_ns': 13, 'steal_ns': 14, 'sched_ns': 15,
                'window_ns': 16, 'at_ns': 17, 'cpu_before': 18, 'cpu_after': 19},
        'gap_worker': 20, 'raw_gap_ns': 21, 'run_delay_ns': 22, 'steal_ns': 23,
        'migrations': {'same_llc': 24, 'cross_llc': 25, 'cross_node': 26},
        'raw_wake_ns': 27, 'pages': [28, 29], 'units': 2**64 - 1, 'unit_ns': 31,
        'errors': 32, 'off_cpus': 33, 'off_worker': 34, 'cpus': '0-3',
        'wake': {'count': 4, 'p50_ns': 5, 'p90_ns': 1015807, 'p99_ns': 1015807,
                 'p999_ns': 1015807, 'max_ns': 1015807, 'buckets': [[5, 3], [1015807, 1]]}})
    equal(first, {
        'name': 'w', 'comm': 'kworker/7:1-w', 'cgroup': 'a', 'cpus': '0,2-3', 'affinity': [None, '2-3'], 'mems': '1',
        'workers': 2, 'work': 'timer', 'policy': 'idle', 'nice': -3, 'priority': 5,
        'runtime_us': 6, 'period_us': 7, 'memory': 'interleave',
        'phases': [{'work': 'timer', 'team': 0, 'run_ns': 1000, 'sleep_ns': 0, 'bytes': 0,
                    'phase_ns': 0, 'arg': 'x'}],
        'background': False, 'always_runnable': False, 'changed': ['cpus', 'presence'],
        'settled': True, 'settled_cpus': '2'})
    assert second['background'] and second['always_runnable']
    equal(second['comm'], 'v')
    equal([second[k] for k in ('cgroup', 'cpus', 'mems', 'affinity')], [None, None, None, []])


def workers(r):
    equal([w['group'] for w in r['workers']], ['w', 'w', 'v'])
    first = r['workers'][0]
    equal(first.pop('gap')['sched_ns'], 18)
    equal(first.pop('wake')['buckets'], [[7, 2]])
    equal(first, {
        'group': 'w', 'index': 1, 'pid': 2, 'flags': ['died', 'error'], 'units': 3,
        'cpu_ns': 4, 'wall_ns': 5, 'nvcsw': 6, 'nivcsw': 7, 'run_delay_ns': 8,
        'timeslices': 9, 'steal_ns': 10,
        'migrations': {'same_llc': 11, 'cross_llc': 12, 'cross_node': 13}, 'unit_ns': 14,
        'measure_ns': 15, 'max_raw_gap_ns': 16, 'max_raw_wake_ns': 17, 'cpus': '0,1023',
        'pages': [19, 20], 'on_node': [21, 22]})


def programs(r):
    numbers = [{'name': 'time', 'value': 1.25, 'unit': 's', 'min': None, 'max': 2.5},
               {'name': 'ops', 'value': 123456789, 'unit': '', 'min': 1e6, 'max': None}]
    none = [dict(n, value=None) for n in numbers]
    one = {'name': 'stress', 'command': 'stress -c 1', 'cgroup': 'a'}
    equal(r['programs'], [
        dict(one, wait_status=256, killed=True, late=False, numbers=numbers,
             output='time: 1.25 s\nops 123456789\n' + BAD + '[m'),
        dict(one, wait_status=0, killed=False, late=True, numbers=none, output=None)])


def machine(r):
    equal(r['cpu_times']['settled'], r['cpu_times']['before'])
    equal(r['cpu_times']['before'], {
        'online': '0-3', 'total_ns': [1, 2, 3, 4], 'idle_ns': [0] * 4, 'steal_ns': [0] * 4})
    equal(r['cpu_times']['after'], {
        'online': '0-2', 'total_ns': [11, 0, 0, 0], 'idle_ns': [0, 5, 0, 0],
        'steal_ns': [0, 0, 6, 0]})
    equal((r['hotplug'], r['log_since_ns']), (True, 9000))
    equal(r['kernel_log'], '[    0.000009] hello\n')


def limits(r):
    equal(r['limits'], {
        'starved_percent': 1, 'spread_percent': 2, 'gap_ms': 3, 'weight_error_percent': 4,
        'quota_error_percent': 5, 'idle_percent': 6, 'wake_p50_us': 7, 'wake_p99_us': 8,
        'wake_p999_us': 9, 'migrations_per_s': None, 'llc_migrations_per_s': 11,
        'node_migrations_per_s': 12, 'remote_pages_percent': 13, 'slow_pages_percent': 16,
        'floor_percent': 14, 'rounds_per_s': 15})


def no_limits(r):
    equal(set(r['limits'].values()), {None})


def nothing_ran(r):
    equal((r['verdict'], r['findings']), ('SKIP', []))
    equal((r['topology']['spec'], r['topology']['cpus']), ('2n1l/../x', None))
    equal((r['guest'], r['rerun']), (None, None))
    equal((r['scheduler']['command'], r['scheduler']['exit']), ('/opt/scx_simple', None))
    assert 'nice' in r['scheduler']['lacks'] and r['scheduler']['lacks_reason']
    equal(set(r['kernel'].values()) | set(r['durations'].values()), {None})
    equal((r['groups'], r['workers']), ([], []))
    equal(r['cpu_times'], {'before': None, 'settled': None, 'after': None})
    equal(r['cgroups'][0]['cpus'], {'intent': 'llc(1)', 'cpus': None})


def no_scenario(r):
    equal((r['suite'], r['scenario'], r['verdict']), ('selftests', 'hotplug', 'FAIL'))
    equal([(f['check'], f['text']) for f in r['findings']], [('selftest', 'not ok')])
    equal(set(r['limits'].values()), {None})
    equal((r['groups'], r['steps'], r['programs']), ([], [], []))
    equal(r['kernel']['path'], '/bin/sh')
    equal(r['scheduler']['command'], 'scx_runner')


def words(r):
    equal(r['groups'][1]['comm'], 'sixteen_letters')
    equal(r['groups'][0]['changed'],
          ['cpus', 'affinity', 'weight', 'quota', 'frozen', 'moved', 'presence'])
    equal(r['workers'][0]['flags'], ['not_stopped', 'never_ran', 'died', 'corrupt', 'error'])
    sets = [s['cpus'] for s in r['steps']]
    equal(sets[0], None)
    equal([s['intent'] for s in sets[1:]],
          ['llc(0)', 'numa(1)', 'range(0, 2)', 'disjoint(1 of 2)', 'overlap(1 of 2, 50 %)',
           'exact(3)'])
    equal([s['cpus'] for s in sets[1:4]], ['0-1', '2-3', '0-2'])


def policies(r):
    """The verdict says which: the test counts through both at once."""
    policy = {'SKIP': 'normal', 'PASS': 'fifo', 'INCONCLUSIVE': 'rr', 'FAIL': 'batch'}
    equal(r['groups'][0]['policy'], policy[r['findings'][0]['verdict']])


def more_policies(r):
    policy = {'SKIP': None, 'PASS': 'idle', 'INCONCLUSIVE': 'deadline', 'FAIL': None}
    equal(r['groups'][0]['policy'], policy[r['findings'][0]['verdict']])


def all_steps(r):
    equal(len({s['op'] for s in r['steps']}), 16)


def guests_words(r):
    equal(r['workers'][0]['group'], f'"}},\n\t{BAD}\x7f{BAD}(\xe4{BAD}{BAD}{BAD}')
    left = r['scheduler']['exit']
    equal(left['state'], 4 * BAD + '\U0001f600')
    equal(left['ops'], 7 * BAD)
    equal(r['guest']['reason'], '\\u0000' + 2 * BAD)
    equal(left['reason'], TEXT_MAX * BAD)
    equal(left['output'], 'the end\n')
    equal(r['kernel_log'], 'the end\n')
    equal(r['scheduler']['events_after'], {'"' + BAD: 3})


def large_machine(r):
    group, worker = r['groups'][0]['stats'], r['workers'][0]
    equal(group['cpus'], ','.join(str(cpu) for cpu in range(0, 4096, 2)))
    equal(r['cpu_times']['after']['steal_ns'][4095], 77)
    equal((group['pages'][63], worker['pages'][63]), (63, 64))
    equal(r['topology']['llc_cpus'][63], '4032-4095')


def wrong(r):
    equal(r['schema'], 7)


def validate(path, schema, code):
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        sys.exit(77)
    rules = load(schema)
    Draft202012Validator.check_schema(rules)
    validator = Draft202012Validator(rules)
    for error in validator.iter_errors(load(path)):
        raise AssertionError(f'{error.json_path}: {error.message:.200}')
    for line in code.splitlines():
        r = load(path)
        exec(line)
        assert not validator.is_valid(r), f'the schema allows this: {line}'
    sys.exit(0)


try:
    if len(sys.argv) > 3:
        validate(*sys.argv[1:])
    globals()[sys.argv[2]](load(sys.argv[1]))
except AssertionError as failure:
    if sys.argv[2] != 'wrong':
        print('#', failure)
    sys.exit(1)
