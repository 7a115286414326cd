package providers

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// Beside reads several ends at once for a request that names some (Also): each by
// read, as a request of its own. It is how a provider reads them that has nothing
// to gain from knowing of each other's.
func Beside(ctx context.Context, req RecordsRequest, read func(context.Context, RecordsRequest) iter.Seq2[Batch, error]) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var reading sync.WaitGroup
		defer reading.Wait()
		defer cancel()
		batches := make(chan Batch)
		send := func(b Batch) bool {
			select {
			case batches <- b:
				return true
			case <-ctx.Done():
				return false
			}
		}
		for n, end := range req.Ends() {
			one := req
			one.End, one.Also = end, nil
			reading.Go(func() {
				for b, err := range read(ctx, one) {
					b.Of = n
					if err != nil {
						b = Batch{Of: n, Err: asError(err)}
					}
					if !send(b) || err != nil || b.End {
						return
					}
				}
				send(Batch{Of: n, Err: Errorf(Transient, "it broke off before its end")})
			})
		}
		go func() {
			reading.Wait()
			close(batches)
		}()
		for b := range batches {
			if !yield(b, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Batch{}, err)
		}
	}
}

// asError is any error as one of this contract. One of a context that ended can be
// met again.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	kind := Internal
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		kind = Transient
	}
	return Errorf(kind, "%v", err)
}
