package fileserver

import (
	"time"

	"golang.org/x/sys/unix"
)

// openCaches opens the loops' caches, and gives what closes them once nothing is stepped any more.
func (s *service) openCaches() (end func()) {
	for range s.server.Engine.Loops() {
		var c *cache
		if !s.server.NoCache && !s.server.RingOnly {
			c = newCache(s.root, s.how, cacheLimit())
		}
		s.caches = append(s.caches, c)
	}
	if s.server.cachesOpened != nil {
		s.server.cachesOpened(s.caches)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		s.expireCaches(stop)
	}()
	return func() {
		close(stop)
		<-stopped
		for _, c := range s.caches {
			if c != nil {
				c.clear()
			}
		}
	}
}

// expireCaches lets the caches forget what is old also where no requests come in that would.
func (s *service) expireCaches(stop chan struct{}) {
	tick := time.NewTicker(time.Duration(cacheAge))
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			for i, c := range s.caches {
				if c == nil || !c.filled.Load() {
					continue
				}
				done := make(chan struct{})
				if s.server.Engine.OnLoop(i, func() { c.expire(now.UnixNano()); close(done) }) == nil {
					<-done
				}
			}
		}
	}
}

// cacheLimit is how many files a loop may keep open: few where descriptors are few.
func cacheLimit() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur/32, cacheMost))
}
