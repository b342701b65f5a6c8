package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/concord-hie/concord/internal/pgcluster"
)

var tps = regexp.MustCompile(`tps = ([0-9.]+) \(without`)

// PGBench runs script, one transaction's SQL with pgbench's own variables, against the database at url with
// prepared statements from callers clients for d, and returns transactions a second: what PostgreSQL alone
// reaches with the same statements on the same machine.
func PGBench(ctx context.Context, url, script string, callers int, d time.Duration) (float64, error) {
	bin, err := pgcluster.FindBin()
	if err != nil {
		return 0, err
	}
	f, err := os.CreateTemp("", "concord-*.sql")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.WriteString(script); err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pgbench"), "--no-vacuum", "--protocol=prepared", "--file="+f.Name(),
		"--client="+strconv.Itoa(callers), "--jobs="+strconv.Itoa(min(callers, 2)), "--time="+strconv.Itoa(max(1, int(d.Seconds()))), url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, bytes.TrimSpace(out))
	}
	m := tps.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("pgbench printed no rate: %s", bytes.TrimSpace(out))
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// PSQL runs statements with psql, for what the driver has no way to say, and returns how long they took together.
func PSQL(ctx context.Context, url string, statements []string) (time.Duration, error) {
	bin, err := pgcluster.FindBin()
	if err != nil {
		return 0, err
	}
	args := []string{"--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url}
	for _, s := range statements {
		args = append(args, "--command="+s)
	}
	began := time.Now()
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "psql"), args...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("psql: %w: %s", err, bytes.TrimSpace(out))
	}
	return time.Since(began), nil
}
