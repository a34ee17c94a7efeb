package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// mostRequests is how many times the requests a Job of one replica several replicas may
// send.
const mostRequests = 1.2

// longLease is how long leases last where nothing goes wrong: as long as by default.
const longLease = 15 * time.Second

// compare runs the same plans, with nothing that goes wrong, on one replica and on
// several, and holds the requests a Job against each other.
func compare(ctx context.Context, c config, w io.Writer) (ok bool, err error) {
	c.Kills, c.Faults, c.NoFaults, c.Lease = 0, 0, true, longLease
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1<<53-1) + 1
	}
	several := c.Replicas
	var perJob [2]float64
	for i, n := range []int{1, several} {
		c.Replicas = n
		rep, err := run(ctx, c)
		if err != nil {
			return false, err
		}
		rep.print(w)
		if !rep.clean() {
			return false, nil
		}
		perJob[i] = float64(rep.Requests) / float64(rep.Jobs)
	}
	ratio := perJob[1] / perJob[0]
	fmt.Fprintf(w, "requests a Job: %.2f with one replica, %.2f with %d: %.3f times as many; at most %.1f are allowed\n", perJob[0], perJob[1], several, ratio, mostRequests)
	return ratio <= mostRequests, nil
}
