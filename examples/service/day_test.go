package main

import (
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A day of the service, in virtual time: work comes in all day, and what can go wrong
// does. Duvo is down when the service starts and for ten minutes later on, its key is
// refused until it is renewed, the disks of the journal and of the audit are full for a
// while, the service is restarted, is killed, and is started a second time beside itself;
// people answer late, from a text that has changed, twice, at once, in Duvo's own inbox,
// or not at all. At the end all that was asked is answered or listed, and the emulator
// has seen each start once, each response once, and no approval that nobody gave.
//
// By default it is a day of few Jobs. The whole day takes a quarter of an hour of one
// processor, and more where the disk of TMPDIR syncs slowly; it prints its figures:
//
//	TMPDIR=/dev/shm DUVOTOOL_SERVICE_JOBS=20000 go test -run TestDay -v -timeout 60m ./examples/service
func TestDay(t *testing.T) {
	jobs := 100
	if n := os.Getenv("DUVOTOOL_SERVICE_JOBS"); n != "" {
		var err error
		jobs, err = strconv.Atoi(n)
		require.NoError(t, err)
	}
	dir := t.TempDir()
	began := time.Now()
	var d *day
	synctest.Test(t, func(t *testing.T) {
		d = newDay(t, dir, jobs)
		defer d.duvo.Close()
		d.people.Go(d.work)
		d.people.Go(func() { d.desk("kim", 0) })
		d.people.Go(func() { d.desk("lee", time.Minute) })
		d.live()
		d.people.Wait()
		d.check()
	})
	d.report(time.Since(began))
}

// live is what happens to the service in its day.
func (d *day) live() {
	d.at(0, "Duvo is down, and the service starts", func() { d.gate.down.Store(true); d.start() })
	d.at(5*time.Minute, "Duvo is there", func() { d.gate.down.Store(false) })
	d.at(3*time.Hour, "Duvo is down", func() { d.gate.down.Store(true) })
	d.at(3*time.Hour+4*time.Minute, "killed, with Duvo down", d.kill)
	d.at(3*time.Hour+5*time.Minute, "and started", d.start)
	d.at(3*time.Hour+10*time.Minute, "Duvo is there", func() { d.gate.down.Store(false) })
	d.at(6*time.Hour, "the key is refused", func() { d.gate.accept("dv_second") })
	d.at(6*time.Hour+30*time.Minute, "the key is renewed", func() { d.stop(); d.key = "dv_second"; d.start() })
	d.at(9*time.Hour, "the journal's disk is full", func() { d.journalFull.Store(true) })
	d.at(9*time.Hour+10*time.Minute, "killed, with the disk full", d.kill)
	d.at(9*time.Hour+11*time.Minute, "and started", d.start)
	d.at(9*time.Hour+20*time.Minute, "there is room", func() { d.journalFull.Store(false) })
	d.at(11*time.Hour, "the audit's disk is full", func() { d.auditFull.Store(true) })
	d.at(11*time.Hour+20*time.Minute, "there is room", func() { d.auditFull.Store(false) })
	d.at(13*time.Hour, "a second process", d.second)
	for h := 14; h < 20; h++ {
		at := time.Duration(h) * time.Hour
		if h%2 == 0 {
			d.at(at, "restarted", func() { d.stop(); time.Sleep(20 * time.Second); d.start() })
		} else {
			op := []string{"startRun", "respondToHumanRequest"}[h/2%2]
			d.at(at, "killed during "+op, func() { d.killDuring(op); time.Sleep(time.Minute); d.start() })
		}
	}
	d.at(20*time.Hour, "all disks are full", func() { d.auditFull.Store(true); d.journalFull.Store(true) })
	d.at(20*time.Hour+2*time.Minute, "there is room", func() { d.auditFull.Store(false); d.journalFull.Store(false) })
}
