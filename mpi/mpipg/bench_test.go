package mpipg

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// somebody returns the nth of very many people; every fourth shares a person with the one before.
func somebody(n int) mpi.Registration {
	who := n - n%4/3
	d := mpi.Demographics{
		Names: []mpi.Name{{Given: []string{fmt.Sprintf("G%cv%cn%d", 'a'+who%23, 'a'+who%19, who%911)}, Family: fmt.Sprintf("F%cm%cly%d", 'a'+who%17, 'a'+who%13, who%1733)}},
		Birth: mpi.Date{Year: 1930 + who%90, Month: 1 + who%12, Day: 2 + who%27}, Sex: mpi.Female,
		Addresses: []mpi.Address{{Lines: []string{fmt.Sprintf("%d Harbor Road", 1+who%9000)}, City: "Laurel", PostalCode: fmt.Sprintf("2%04d", who%9973)}},
		Telecoms:  []mpi.Telecom{{System: "phone", Value: fmt.Sprintf("410%07d", 2000000+who%7999999)}},
	}
	return mpitest.Registration(fmt.Sprintf("site-%d", n%5), fmt.Sprint(n), d)
}

func BenchmarkRegister(b *testing.B) {
	ctx, db := context.Background(), pgtest.DB(b)
	x := mpi.New(New(db, auditpg.Append), hie.NewIDs(nil), &mpitest.Log{}, mpi.Options{})
	var n atomic.Int64
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := x.Register(ctx, mpitest.Actor, somebody(int(n.Add(1)))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	var size int64
	err := db.QueryRow(ctx, `select sum(pg_total_relation_size(c.oid))::bigint from pg_class c join pg_namespace s on s.oid = c.relnamespace
		where s.nspname = 'mpi' and c.relkind = 'r'`).Scan(&size)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(size)/float64(n.Load()), "disk-B/record")
}

func BenchmarkMatch(b *testing.B) {
	ctx, db := context.Background(), pgtest.DB(b)
	x := mpi.New(New(db, auditpg.Append), hie.NewIDs(nil), auditpg.New(db), mpi.Options{})
	const people = 1000
	for i := range people {
		if _, err := x.Register(ctx, mpitest.Actor, somebody(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	var n atomic.Int64
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m, err := x.Match(ctx, mpitest.Actor, somebody(int(n.Add(1))%people).Demographics, mpi.MatchOptions{})
			if err != nil || len(m.Identities) == 0 {
				b.Errorf("%d identities, %v", len(m.Identities), err)
				return
			}
		}
	})
}
