ALTER TABLE "orders"."orders" ADD COLUMN "pickup_code" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "orders"."orders" ADD COLUMN "wrong_codes" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "orders"."orders" ADD COLUMN "last_wrong_code" text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "orders_waiting_by_code" ON "orders"."orders" USING btree (left(pickup_code, 4)) WHERE pickup_code <> '' and closed_at is null;--> statement-breakpoint
CREATE INDEX "orders_by_code" ON "orders"."orders" USING btree (left(pickup_code, 4),"id") WHERE pickup_code <> '';