package main

import "github.com/duvotool/duvotool/duvotest"

// emulated is an Assignment that refunds, on the emulator: it asks before it does.
var emulated = duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds", Description: "Refunds an order.",
	Script: func(j *duvotest.Job) {
		if !j.AskApproval(j.Input(), "") {
			j.Complete("not refunded")
		}
		j.Complete("refunded")
	}}

const sample = `key,order,euros
2026-11-26/1,4711,20
2026-11-26/2,4712,35
2026-11-26/3,4713,300
`
