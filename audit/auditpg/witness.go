package auditpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readWitness returns the signed note in the file, "" when there is no file yet.
func readWitness(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("auditpg: the witness file cannot be read: %w", err)
	}
	return string(b), nil
}

// writeWitness replaces the file by note, whole or not at all: a restart finds the old checkpoint or the new one,
// and either is one this log has passed.
func writeWitness(path, note string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".checkpoint-*")
	if err != nil {
		return fmt.Errorf("auditpg: the witness file cannot be written: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("auditpg: the witness file cannot be written: %w", err)
		}
	}()
	_, err = f.WriteString(note)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
