// Package s3 keeps a state in an object store that speaks S3 and honours
// conditional writes. Under a prefix stand
//
//	lock                    who may change the state, until when
//	head                    which version is the present one, and which log goes on from it
//	versions/SERIAL-NONCE   the versions of the state, never changed
//	log/NONCE/N             what was done since, batch by batch
//
// Everything turns on head, which is only ever replaced by who has read it
// (If-Match). Taking the lock replaces it, so that whoever held the lock before
// can make nothing count any more, however late it wakes up: the expiry in lock
// only keeps others waiting, by their own clocks. There is no journal of syncs.
//
// The package refuses to know what the bytes of a state mean; package remote
// does. Start with Open, then head.go.
package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"accord/state"
	"accord/state/remote"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// Config says where the state is. Credentials come from where the AWS tools
// look for them: environment, shared files, the machine's role.
type Config struct {
	Bucket    string
	Prefix    string // "accord" when empty; a prefix holds one state
	Region    string // from the environment when empty
	Endpoint  string // of another store than AWS
	PathStyle bool   // the bucket is part of the path, not of the host

	TTL      time.Duration // of a lock that is not renewed; a minute when zero
	Versions int           // of the state to keep; 20 when zero
}

// place is a remote.Place.
type place struct {
	config Config
	opts   remote.Options
	client *s3.Client

	mu      sync.Mutex
	trusted bool // the store was seen to honour conditions
	mine    held // as the holder of the lock has written it
}

// Open returns the store in a bucket. Nothing is asked yet.
func Open(ctx context.Context, config Config, opts remote.Options) (*remote.Store, error) {
	p, err := open(ctx, config, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the state: %w", err)
	}
	return remote.Open(p, opts), nil
}

func open(ctx context.Context, config Config, opts remote.Options) (*place, error) {
	if config.Bucket == "" {
		return nil, errors.New("no bucket is named")
	}
	if config.Prefix = strings.Trim(config.Prefix, "/"); config.Prefix == "" {
		config.Prefix = "accord"
	}
	if config.TTL == 0 {
		config.TTL = time.Minute
	}
	if config.Versions == 0 {
		config.Versions = 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	found, err := awsconfig.LoadDefaultConfig(ctx, func(o *awsconfig.LoadOptions) error {
		o.Region = config.Region
		o.Logger = logging.Nop{} // what goes wrong comes back as an error
		// Many stores know no other checksums than those that are asked for.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		return nil
	})
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(found, func(o *s3.Options) {
		o.UsePathStyle = config.PathStyle
		if config.Endpoint != "" {
			o.BaseEndpoint = aws.String(config.Endpoint)
		}
	})
	return &place{config: config, opts: opts, client: client}, nil
}

// object is what is kept under a key; its tag changes whenever it does.
type object struct {
	data []byte
	tag  string // "": there is none
}

// errChanged says that an object is not, or no longer, what a write asked for.
var errChanged = errors.New("someone else has written it meanwhile")

func (p *place) key(name string) *string { return aws.String(p.config.Prefix + "/" + name) }

func (p *place) get(ctx context.Context, name string) (object, error) {
	out, err := p.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.config.Bucket, Key: p.key(name)})
	if status(err) == http.StatusNotFound && !strings.Contains(err.Error(), "NoSuchBucket") {
		return object{}, nil
	}
	if err != nil {
		return object{}, told(err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	return object{data: data, tag: aws.ToString(out.ETag)}, err
}

// told is an error of the client in words for whoever set it up.
func told(err error) error {
	if strings.Contains(err.Error(), "get credentials") {
		return fmt.Errorf("there are no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (%w)", err)
	}
	return err
}

// put writes an object whatever is there.
func (p *place) put(ctx context.Context, name string, data []byte) error {
	_, err := p.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &p.config.Bucket, Key: p.key(name), Body: bytes.NewReader(data)})
	return err
}

// swap writes an object if it still is the one before, or if there is none for
// the zero object. Data must be unlike anything that was ever written there,
// since the answer of a call that went through may be lost, and is then found
// out by reading.
func (p *place) swap(ctx context.Context, name string, before object, data []byte) (object, error) {
	in := &s3.PutObjectInput{Bucket: &p.config.Bucket, Key: p.key(name), Body: bytes.NewReader(data)}
	if before.tag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &before.tag
	}
	out, err := p.client.PutObject(ctx, in)
	if err == nil {
		return object{data, aws.ToString(out.ETag)}, nil
	}
	switch status(err) {
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusNotFound:
		now, readErr := p.get(ctx, name)
		if readErr != nil {
			return object{}, errors.Join(err, readErr)
		}
		if bytes.Equal(now.data, data) {
			return now, nil
		}
		return now, errChanged
	}
	return object{}, err
}

func (p *place) remove(ctx context.Context, name string) error {
	_, err := p.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.config.Bucket, Key: p.key(name)})
	return err
}

// listed is an object as a list has it.
type listed struct {
	name string // behind the folder
	size int64
	at   time.Time
}

// list returns what is in a folder, by name.
func (p *place) list(ctx context.Context, folder string) (all []listed, err error) {
	prefix := *p.key(folder)
	pages := s3.NewListObjectsV2Paginator(p.client, &s3.ListObjectsV2Input{Bucket: &p.config.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			all = append(all, listed{strings.TrimPrefix(aws.ToString(o.Key), prefix), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
		}
	}
	return all, nil
}

func status(err error) int {
	var e *awshttp.ResponseError
	if errors.As(err, &e) {
		return e.HTTPStatusCode()
	}
	return 0
}

// ErrUnconditional says that a store cannot be trusted with a lock.
var ErrUnconditional = errors.New("this store does not honour conditional writes (If-Match, If-None-Match), so that two could change the state at once; use another backend")

// probe finds out whether the store honours conditions, before it is trusted.
func (p *place) probe(ctx context.Context) error {
	p.mu.Lock()
	trusted := p.trusted
	p.mu.Unlock()
	if trusted {
		return nil
	}
	name := "probe-" + rand.Text()
	one, err := p.swap(ctx, name, object{}, []byte("one"))
	if err != nil {
		return fmt.Errorf("finding out whether the store honours conditional writes: %w", err)
	}
	_, again := p.swap(ctx, name, object{}, []byte("again"))
	two, next := p.swap(ctx, name, one, []byte("two"))
	_, stale := p.swap(ctx, name, one, []byte("three"))
	removed := p.remove(ctx, name)
	for _, err := range []error{again, next, stale, removed} {
		if err != nil && !errors.Is(err, errChanged) {
			return fmt.Errorf("finding out whether the store honours conditional writes: %w", err)
		}
	}
	if again == nil || next != nil || stale == nil || one.tag == two.tag {
		return ErrUnconditional
	}
	p.mu.Lock()
	p.trusted = true
	p.mu.Unlock()
	return nil
}

// Name implements remote.Place.
func (p *place) Name() string { return "s3://" + p.config.Bucket + "/" + p.config.Prefix }

// record is the object lock. The nonce makes each unlike all others.
type record struct {
	Holder *state.Holder `json:"holder,omitempty"` // nil: nobody
	Nonce  string        `json:"nonce"`
}

// lease reads the lock: its object, and who holds it.
func (p *place) lease(ctx context.Context) (object, *state.Holder, error) {
	o, err := p.get(ctx, "lock")
	if err != nil || o.tag == "" {
		return o, nil, err
	}
	var r record
	if err := json.Unmarshal(o.data, &r); err != nil {
		return o, nil, &state.DamagedError{Path: p.Name() + "/lock", Reason: err.Error(), Advice: "if no accord runs, remove it"}
	}
	return o, r.Holder, nil
}

// leave writes who holds the lock, nil for nobody, in place of what was read.
func (p *place) leave(ctx context.Context, before object, h *state.Holder) error {
	data, err := json.Marshal(record{Holder: h, Nonce: rand.Text()})
	if err == nil {
		_, err = p.swap(ctx, "lock", before, data)
	}
	return err
}

// Lock implements remote.Place.
func (p *place) Lock(ctx context.Context, h state.Holder) (state.Holder, error) {
	if err := p.probe(ctx); err != nil {
		return h, err
	}
	for {
		before, other, err := p.lease(ctx)
		if err != nil {
			return h, err
		}
		now := p.opts.Now().UTC()
		if other != nil && now.Before(other.Expires) {
			return h, &state.LockedError{Holder: *other}
		}
		h.Expires = now.Add(p.config.TTL)
		err = p.leave(ctx, before, &h)
		if errors.Is(err, errChanged) {
			continue // somebody was faster: who?
		}
		if err != nil {
			return h, err
		}
		if err := p.seize(ctx, h); err != nil {
			return h, errors.Join(err, p.Unlock(context.WithoutCancel(ctx), h))
		}
		return h, nil
	}
}

// Renew implements remote.Place.
func (p *place) Renew(ctx context.Context, h state.Holder) (state.Holder, error) {
	before, other, err := p.lease(ctx)
	if err != nil {
		return h, err
	}
	if other == nil || other.ID != h.ID {
		return h, state.ErrLockLost
	}
	h.Expires = p.opts.Now().UTC().Add(p.config.TTL)
	if err := p.leave(ctx, before, &h); errors.Is(err, errChanged) {
		return h, state.ErrLockLost
	} else if err != nil {
		return h, err
	}
	return h, nil
}

// Unlock implements remote.Place.
func (p *place) Unlock(ctx context.Context, h state.Holder) error {
	before, other, err := p.lease(ctx)
	if err != nil || other == nil || other.ID != h.ID {
		return err
	}
	if err := p.leave(ctx, before, nil); !errors.Is(err, errChanged) {
		return err
	}
	return nil
}

// ForceUnlock implements remote.Place.
func (p *place) ForceUnlock(ctx context.Context, id string) error {
	before, other, err := p.lease(ctx)
	switch {
	case err != nil:
		return err
	case other == nil:
		return state.ErrNotLocked
	case other.ID != id:
		return &state.LockedError{Holder: *other}
	}
	return p.leave(ctx, before, nil)
}

// Journal implements remote.Place.
func (p *place) Journal(context.Context) (state.Journal, error) { return nil, state.ErrNoJournal }

// Close implements remote.Place.
func (p *place) Close() error { return nil }
