CREATE INDEX "attempts_by_start" ON "analytics"."attempts" USING btree ("started_at");--> statement-breakpoint
CREATE INDEX "attempts_by_end" ON "analytics"."attempts" USING btree ("ended_at");--> statement-breakpoint
CREATE INDEX "orders_by_placing" ON "analytics"."orders" USING btree ("placed_at");