package mpipg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// newcomersURL names the database in the environment of the processes TestEqualNewcomers starts.
const newcomersURL = "MPIPG_TEST_NEWCOMERS_URL"

// Four processes post one person 64 times at once: 32 times under one identifier, 32 times each from a site of
// its own. Meanwhile a site adds her social security number to its registration, and a registry that knows her by name,
// birth date and that number posts her too: only the number proves it is she. Whatever the order, they are one person, the
// shared identifier is one record, and nobody fails.
//
// Source: spec mpi section 7, scenario 6.
func TestEqualNewcomersFromFourProcessesAreOnePerson(t *testing.T) {
	const processes = 4
	url := pgtest.URL(t)
	var wg sync.WaitGroup
	for p := range processes {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestNewcomersProcess$")
			cmd.Env = append(os.Environ(), newcomersURL+"="+url, "MPIPG_TEST_PROCESS="+strconv.Itoa(p))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", p, err, out)
			}
		})
	}
	wg.Wait()
	ctx := context.Background()
	db, err := pg.Open(ctx, url, pg.Options{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, check := range []struct {
		what, query string
		want        int64
	}{
		{"source patients", `select count(*) from mpi.source_patient`, 35},
		{"members", `select count(*) from mpi.person_member`, 35},
		{"persons with members", `select count(distinct person_id) from mpi.person_member`, 1},
		{"persons not merged away", `select count(*) from mpi.person where redirect = 0`, 1},
		{"records whose hint is not their membership", `select count(*) from mpi.source_patient s
			left join mpi.person_member m on m.sp_id = s.sp_id and m.person_id = s.person_id where m.sp_id is null`, 0},
		{"records that ever came into a person", `select count(distinct sp_id) from mpi.link_event where kind = 'moved'`, 35},
		{"records whose last event is not their membership", `select count(*) from mpi.person_member m where m.person_id <> (select e.to_person
			from mpi.link_event e where e.sp_id = m.sp_id and e.kind = 'moved' order by e.event_id desc limit 1)`, 0},
		{"audit events of registrations", `select count(*) from audit.event where kind = 'patient.registered'`, 36},
	} {
		var got int64
		if err := db.QueryRow(ctx, check.query).Scan(&got); err != nil || got != check.want {
			t.Errorf("%s = %d, %v; want %d", check.what, got, err, check.want)
		}
	}
}

// TestNewcomersProcess is the body of one of those processes; on its own it has nothing to do.
func TestNewcomersProcess(t *testing.T) {
	url := os.Getenv(newcomersURL)
	if url == "" {
		t.Skip("started by TestEqualNewcomersFromFourProcessesAreOnePerson")
	}
	ctx := context.Background()
	db, err := pg.Open(ctx, url, pg.Options{MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	x := mpi.New(New(db, auditpg.Append), hie.NewIDs(nil), &mpitest.Log{}, mpi.Options{})
	var wg sync.WaitGroup
	post := func(site string, d mpi.Demographics) {
		if _, err := x.Register(ctx, mpitest.Actor, mpitest.Registration(site, "1", d)); err != nil {
			t.Errorf("register: %v", err)
		}
	}
	numbered := mpitest.Maria()
	numbered.Identifiers = []mpi.Identifier{mpitest.SSN("219-44-7781")}
	wg.Go(func() {
		switch os.Getenv("MPIPG_TEST_PROCESS") {
		case "0":
			post("adding", mpitest.Maria())
			post("adding", numbered)
		case "1":
			post("registry", mpi.Demographics{Names: numbered.Names, Birth: numbered.Birth, Identifiers: numbered.Identifiers})
		}
	})
	for i := range 16 {
		wg.Go(func() {
			site := "shared"
			if i%2 == 1 {
				site = fmt.Sprintf("site-%s-%d", os.Getenv("MPIPG_TEST_PROCESS"), i)
			}
			post(site, mpitest.Maria())
		})
	}
	wg.Wait()
}
