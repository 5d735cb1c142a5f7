// SPDX-License-Identifier: GPL-2.0
/* Starts all CPUs; each says what its local APIC and CPUID tell it of its place. */
#include "payload.h"

static const struct {
	u32 function;
	u32 index;
} leaves[REPORT_NR_LEAVES] = REPORT_LEAVES;

static struct cpu_report reports[MAX_CPUS];
static u32 nr_reports;

static void look(unsigned int cpu)
{
	struct cpu_report *r = &reports[cpu];
	unsigned int i;

	r->apic_id = cpus[cpu].apic_id;
	r->apic_base = cpus[cpu].apic_base;
	r->apic_version = apic_read(APIC_VERSION);
	for (i = 0; i < REPORT_NR_LEAVES; i++)
		cpuid(leaves[i].function, leaves[i].index, &r->leaves[i]);
	atomic_inc(&nr_reports);
}

void payload_cpu(unsigned int cpu)
{
	look(cpu);
}

void payload_main(void)
{
	start_cpus();
	look(0);
	while (READ_ONCE(nr_reports) < nr_cpus)
		cpu_relax();
	report(REPORT_CPUS, reports, nr_cpus, sizeof(reports[0]));
}
